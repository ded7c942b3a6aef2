"""The web server: a page and an API for trained models."""
