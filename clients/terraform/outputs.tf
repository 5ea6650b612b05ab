output "api_url" {
  description = "Where the API and the dashboard are."
  value       = aws_cloudformation_stack.rung.outputs["ApiUrl"]
}

output "admin_key_secret" {
  description = "The secret that holds the operator's first key."
  value       = aws_cloudformation_stack.rung.outputs["AdminKeySecret"]
}

output "outputs" {
  description = "All outputs of the stack, by their names in the template."
  value       = aws_cloudformation_stack.rung.outputs
}
