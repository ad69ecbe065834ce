"""What a new sandbox holds: the organization and its users, and a company's sales data unless it starts empty."""
