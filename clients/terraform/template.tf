locals {
  zips    = ["deliver.zip", "dialects.zip", "enqueue.zip", "subscriptions.zip", "sweep.zip"]
  release = merge({ for name in concat(local.zips, ["rung.yaml"]) : name => "${var.release}/${name}" }, var.dialects == null ? {} : { "dialects.zip" = var.dialects })
  # Other files lie elsewhere in the bucket: so CloudFormation sees that they have changed.
  prefix = "${var.name}/${sha256(join("", [for path in values(local.release) : filesha256(path)]))}/"
  # The template as `aws cloudformation package` writes it: its code is in the bucket.
  template = replace(file(local.release["rung.yaml"]), "/(CodeUri|ContentUri): (\\w+\\.zip)/", "$1: s3://${var.bucket}/${local.prefix}$2")
}
