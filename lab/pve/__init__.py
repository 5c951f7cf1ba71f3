"""The node's side of the lab: Proxmox VE's commands and API over fakepve and real LXC. Runs on the node as the package `labpve`."""
