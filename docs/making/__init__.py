"""What the reference pages are made with, one module a page."""
