data "aws_s3_bucket" "code" {
  bucket = var.bucket
}

resource "aws_s3_object" "zip" {
  for_each = toset(local.zips)

  bucket = var.bucket
  key    = "${local.prefix}${each.key}"
  source = local.release[each.key]

  # An update that fails is rolled back to the former code.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_s3_object" "template" {
  bucket  = var.bucket
  key     = "${local.prefix}rung.yaml"
  content = local.template

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudformation_stack" "rung" {
  name         = var.name
  template_url = "https://${data.aws_s3_bucket.code.bucket_regional_domain_name}/${aws_s3_object.template.key}"
  capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
  parameters   = { for name, value in local.parameters : name => value if value != null }
  tags         = var.tags

  depends_on = [aws_s3_object.zip]
}
