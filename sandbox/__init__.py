"""A Dynamics CRM to try it on: the Dataverse Web API over HTTPS."""
