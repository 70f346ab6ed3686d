# Prints every target that a person calls with the first line of the comment above it.
/^# / && !comment { comment = substr($0, 3) }
/^[a-z][a-z-]*:([^=]|$)/ {
  name = $1
  sub(/:.*/, "", name)
  printf "  %-14s %s\n", name, comment
  comment = ""
}
/^$/ { comment = "" }
