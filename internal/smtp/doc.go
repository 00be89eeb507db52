// Package smtp holds the formats of SMTP, both directions: verbs, paths,
// replies, dot-stuffing. qmail-smtpd uses the server's side, qmail-remote the
// client's. It does no I/O.
//
// Spec: spec/smtpd.md A3 to A7 (server), spec/remote.md sections 5 and 6
// (client); RFC 5321.
package smtp
