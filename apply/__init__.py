"""Put artifacts into the kernel: read what this machine has, plan what would change, change it, and go back."""
