"""The page that an admin reads: one HTML file by Jinja2 templates, with charts of our own."""
