"""A client of the Kubernetes API that lists and watches: it reads objects, and writes none."""
