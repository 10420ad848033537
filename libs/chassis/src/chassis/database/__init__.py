"""PostgreSQL: connections, transactions, replica, migrations, and the tables that need no bus."""
