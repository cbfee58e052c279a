package model

// LookBlock is a part of a message as people will see it where it is sent, such as in a chat.
type LookBlock struct {
	Kind   LookKind
	Spans  []LookSpan      // LookTitle, LookText, LookQuote, LookCode, LookSmall
	Pairs  [][2][]LookSpan // LookFacts: name and value
	Labels []string        // LookButtons
	URL    string          // LookImage: where it is; it is not fetched
	Tone   string          // LookTitle, LookText, LookBar: good, warning, bad or "" = plain
}

// LookKind says how a LookBlock is drawn.
type LookKind string

const (
	LookTitle   LookKind = "title"
	LookText    LookKind = "text"
	LookQuote   LookKind = "quote"
	LookCode    LookKind = "code"
	LookSmall   LookKind = "small"
	LookFacts   LookKind = "facts"
	LookButtons LookKind = "buttons"
	LookImage   LookKind = "image"
	LookLine    LookKind = "line"
	LookBar     LookKind = "bar"   // a bar of colour before what follows
	LookWrong   LookKind = "wrong" // Spans say why it cannot be drawn, or what the other side will not take
)

// LookSpan is text in one style.
type LookSpan struct {
	Text                       string
	Bold, Italic, Strike, Code bool
	Link                       string // where it leads, "" = nowhere
	Mention                    bool   // somebody is told of it
}
