# Runs a snippet over deliveries, one a line: secret, body, what the receiver knows of the URL, then names and values of headers, each in base64; true or false for each.
require_relative "webhooks"

$stdin.each_line do |line|
  secret, body, given, *fields = line.split.map { |field| field.unpack1("m") }
  known = [secret, given].first(method(:verify).arity - 2)
  puts verify(Hash[*fields.map { |field| field.force_encoding("UTF-8") }], body, *known)
end
