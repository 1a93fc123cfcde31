"""A real Kubernetes on this machine: etcd, API server, schedulers, and as many nodes as wanted.

`binaries` builds what is missing, once; `control_plane` starts one or several side by side on free
ports and stops all that it started, also when the test that asked for it dies.
"""
