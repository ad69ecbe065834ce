"""The demo: a made-up company and a sandbox CRM go through the whole chain, in a folder of their own."""
