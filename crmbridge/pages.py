"""How the API cuts lists into pages."""

from rest_framework.pagination import PageNumberPagination


class Pages(PageNumberPagination):
    """100 results a page; `page_size` asks for up to 1000."""

    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1000
