"""Many machines and one reviewed file: releases in etcd, and the rollouts that bring them to the machines."""
