"""A fleet: many machines with one reviewed file. Releases are in etcd, and rollouts bring them to the machines."""
