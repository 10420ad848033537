"""The inbox: a small web server that receives webhooks, verifies their signatures and shows them."""
