"""The operators' console: pages for a browser, and nothing that an event depends on.

Knows the services by their HTTP APIs alone. Who acts does so with their own key, which stays in this process.
"""
