"""TLS over a transport. See fastloop/README.md."""
