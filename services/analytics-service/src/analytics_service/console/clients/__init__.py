"""The services' HTTP APIs, as the console asks them."""
