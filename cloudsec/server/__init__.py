"""The broker daemon: an HTTP service that takes jobs from a hospital's systems and has clouds do them."""
