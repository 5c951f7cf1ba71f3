"""A simulated Proxmox VE node on one Linux machine: test and demo only, never shipped."""
