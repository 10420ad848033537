"""The operators' console: pages for a browser, and nothing that an event depends on.

It calls the four APIs through the client. An operator acts with their own key, which stays in this process.
"""
