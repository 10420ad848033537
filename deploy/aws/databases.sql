-- Once, by the administrator, after the database's stack has been made: a database and a user for each service.
-- A user comes in by IAM alone, and into its own database alone.
CREATE ROLE user_service LOGIN;
CREATE ROLE event_service LOGIN;
CREATE ROLE delivery_service LOGIN;
CREATE ROLE analytics_service LOGIN;
GRANT rds_iam TO user_service, event_service, delivery_service, analytics_service;
GRANT user_service, event_service, delivery_service, analytics_service TO CURRENT_USER;
CREATE DATABASE user_service OWNER user_service;
CREATE DATABASE event_service OWNER event_service;
CREATE DATABASE delivery_service OWNER delivery_service;
CREATE DATABASE analytics_service OWNER analytics_service;
REVOKE CONNECT ON DATABASE user_service, event_service, delivery_service, analytics_service FROM PUBLIC;
