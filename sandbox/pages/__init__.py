"""Pages to look at rows and edit them by hand, so that someone can play the CRM's salesperson."""
