package header

import "goqmail/internal/address"

// A Field is the name of a header field that the suite knows. Names are
// compared without regard to ASCII case. Spec: spec/inject.md sections 2 and 3.
type Field int

// The names. FieldUnknown is every other valid name.
const (
	FieldUnknown Field = iota
	FieldSender
	FieldFrom
	FieldReplyTo
	FieldTo
	FieldCc
	FieldBcc
	FieldDate
	FieldMessageID
	FieldSubject
	FieldResentSender
	FieldResentFrom
	FieldResentReplyTo
	FieldResentTo
	FieldResentCc
	FieldResentBcc
	FieldResentDate
	FieldResentMessageID
	FieldReturnReceiptTo
	FieldErrorsTo
	FieldApparentlyTo
	FieldReceived
	FieldReturnPath
	FieldDeliveredTo
	FieldContentLength
	FieldContentType
	FieldContentTransferEncoding
	FieldNoticeRequested // Notice-Requested-Upon-Delivery-To
	FieldMailFollowupTo
	fields // how many there are
)

// fieldNames has the name of each Field as the suite writes it.
var fieldNames = [fields]string{
	FieldSender:                  "Sender",
	FieldFrom:                    "From",
	FieldReplyTo:                 "Reply-To",
	FieldTo:                      "To",
	FieldCc:                      "Cc",
	FieldBcc:                     "Bcc",
	FieldDate:                    "Date",
	FieldMessageID:               "Message-ID",
	FieldSubject:                 "Subject",
	FieldResentSender:            "Resent-Sender",
	FieldResentFrom:              "Resent-From",
	FieldResentReplyTo:           "Resent-Reply-To",
	FieldResentTo:                "Resent-To",
	FieldResentCc:                "Resent-Cc",
	FieldResentBcc:               "Resent-Bcc",
	FieldResentDate:              "Resent-Date",
	FieldResentMessageID:         "Resent-Message-ID",
	FieldReturnReceiptTo:         "Return-Receipt-To",
	FieldErrorsTo:                "Errors-To",
	FieldApparentlyTo:            "Apparently-To",
	FieldReceived:                "Received",
	FieldReturnPath:              "Return-Path",
	FieldDeliveredTo:             "Delivered-To",
	FieldContentLength:           "Content-Length",
	FieldContentType:             "Content-Type",
	FieldContentTransferEncoding: "Content-Transfer-Encoding",
	FieldNoticeRequested:         "Notice-Requested-Upon-Delivery-To",
	FieldMailFollowupTo:          "Mail-Followup-To",
}

// String is the field's name as the suite writes it, "" for FieldUnknown.
func (f Field) String() string {
	if f < 0 || f >= fields {
		return ""
	}
	return fieldNames[f]
}

// FieldOf returns which field line begins. It is FieldUnknown for a line that
// is no field at all.
func FieldOf(line []byte) Field {
	name, ok := FieldName(line)
	if !ok {
		return FieldUnknown
	}
	for f := FieldUnknown + 1; f < fields; f++ {
		if address.EqualFold(name, fieldNames[f]) {
			return f
		}
	}
	return FieldUnknown
}

// FieldName returns the name of the field that line begins: what stands before
// the first colon, without blanks and tabs at its end. It is not ok if there is
// no colon, the name is empty, or has a byte outside 33 to 126.
func FieldName(line []byte) (name string, ok bool) {
	n := 0
	for n < len(line) && line[n] != ':' {
		n++
	}
	if n == len(line) {
		return "", false
	}
	for n > 0 && (line[n-1] == ' ' || line[n-1] == '\t') {
		n--
	}
	for i := 0; i < n; i++ {
		if line[i] < 33 || line[i] > 126 {
			return "", false
		}
	}
	return string(line[:n]), n > 0
}

// FieldBody returns what follows the first colon of a field.
func FieldBody(field []byte) []byte {
	for i, c := range field {
		if c == ':' {
			return field[i+1:]
		}
	}
	return nil
}

// A Splitter cuts a message, given line by line, into header fields and body.
//
//   - A line that begins with a blank or tab continues the field before it.
//   - A line "From ..." becomes the field "MBOX-Line: From ...", wherever it
//     stands: some programs leave the separator of an mbox in messages.
//   - The header ends before an empty line, which is the first line of the
//     body, and before a line that is no field.
//
// Every line given must end in LF. The zero value is ready.
type Splitter struct {
	field []byte // the field that is not complete yet
}

// MboxLine is the name under which a line "From ..." is kept as a field.
const MboxLine = "MBOX-Line: "

// Line takes the next line of the header. If the line shows that a field before
// it is complete, field is that field with its LF; it is valid until the next
// call. inBody tells that the line belongs to the body, and with it all that
// follow; if the line is not empty, an empty line is to be put before it.
func (s *Splitter) Line(line []byte) (field []byte, inBody bool) {
	if len(s.field) > 0 && (line[0] == ' ' || line[0] == '\t') {
		s.field = append(s.field, line...)
		return nil, false
	}
	// A slice of its own: the caller looks at field while the next one grows.
	field = s.field
	s.field = nil
	if len(line) >= 5 && string(line[:5]) == "From " {
		s.field = append(append(s.field, MboxLine...), line...)
		return field, false
	}
	if _, ok := FieldName(line); !ok {
		return field, true
	}
	s.field = append(s.field, line...)
	return field, false
}

// End returns the field that the end of the input completes, or nil.
func (s *Splitter) End() []byte { return s.field }
