"""A client of etcd, over the JSON gateway that etcd serves beside gRPC. It knows nothing of the rest of svcc.

The client is in :mod:`svcc.etcd.client`, its arguments and results in :mod:`svcc.etcd.values`, and its errors in
:mod:`svcc.etcd.errors`.
"""
