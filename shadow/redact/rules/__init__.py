"""What is searched for: each rule is a function from a text to the text with placeholders, and safe to repeat.

secrets      private keys, authorization headers, logins, secret addresses
assignments  secrets after their name: `password: x`, `--password x`, `the password is x`
tokens       keys and tokens with a prefix that identifies the service, and secret keys of AWS
emails       e-mail addresses, also spelled out
numbers      card numbers, and the search for numbers that ibans and phones share
ibans        IBANs
phones       phone numbers, by notation or by a word before them
base64_text  text inside base64
"""
