"""etcd's protocol, by the JSON gateway that etcd serves beside gRPC. It knows nothing of the rest of svcc.

Client (:mod:`svcc.etcd.client`), what one gives it and gets of it (:mod:`svcc.etcd.values`), and what can go wrong
(:mod:`svcc.etcd.errors`).
"""
