"""How the CRM is reached: set-up, credentials and the Dataverse client."""
