"""What belongs with what: table mappings, field mappings, couplings, matching."""
