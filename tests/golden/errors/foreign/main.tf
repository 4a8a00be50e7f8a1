resource "kubernetes_service" "web" {
  spec { cluster_ip = "198.19.0.1" }
}
