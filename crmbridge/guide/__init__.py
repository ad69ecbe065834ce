"""The guide **Dynamics CRM Connection Setup** and the window **CRM Connection Setup**: one set of tasks, two frames."""
