"""The HTTP interface: one module a subject, each with its requests, answers and routes."""
