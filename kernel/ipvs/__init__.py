"""IPVS (ipvsadm(8)): virtual and real servers as objects, their text, reading, difference and loading."""
