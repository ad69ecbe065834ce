"""The project: settings, urls, Home, API root, and the demo and worker commands."""
