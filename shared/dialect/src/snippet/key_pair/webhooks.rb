# Whether a delivery that a key pair has signed (v1a of Standard Webhooks) is genuine. `headers` have names in lower case; `body` is the
# raw body, as in request.body.read; `public_key` is the webhook's public_key, whpk_…. OpenSSL 1.1.1 or newer.
require "openssl"

TOLERANCE_S = 300
# What stands before the key's 32 bytes in its DER form.
DER = ["302a300506032b6570032100"].pack("H*")

def verify(headers, body, public_key)
  id = headers["webhook-id"] || ""
  timestamp = headers["webhook-timestamp"] || ""
  return false unless timestamp.match?(/\A\d+\z/) && (Time.now.to_i - timestamp.to_i).abs <= TOLERANCE_S

  key = OpenSSL::PKey.read(DER + public_key.delete_prefix("whpk_").unpack1("m"))
  (headers["webhook-signature"] || "").split(" ").any? do |given|
    version, signature = given.split(",", 2)
    version == "v1a" && key.verify(nil, signature.to_s.unpack1("m"), "#{id}.#{timestamp}.".b + body.b)
  rescue OpenSSL::PKey::PKeyError
    false
  end
end
