"""A real Kubernetes node on this machine: containerd, runc, a bridge network and a kubelet.

`real_node` joins it to a control plane of `slacktide.testing.cluster`, runs real pods in real
cgroups, and leaves nothing behind, also when the run before it was killed.
"""
