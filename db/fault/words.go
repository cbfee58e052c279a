package fault

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Words is a sentence for people, in English, whose values stand beside it, so that a page can say it in the language of
// its reader: the format is what a catalogue knows, and another language may take the values in another order (%[2]s).
//
// A value that is a sentence itself is *Words (or a *Fault), one that is a word of the product is a Noun, several are a
// List; numbers are written as the reader is used to; all else stands as it is. It is an error too, where one is asked for.
type Words struct {
	Format string // of package fmt, the id in catalogues
	Args   []any
}

// Noun is a value that is itself a word of the product, such as a kind of thing or a right.
type Noun string

// Right is a value that is the name of a right, such as "Manage Connections".
type Right string

// State is a value that says how far a thing is, such as "delivered". Catalogues have it as pages show it, with a capital.
type State string

// Opening is a Noun that begins its sentence, and is written with a capital there.
type Opening string

func (o Opening) String() string { return Capital(string(o)) }

// Capital is a text whose first letter is one.
func Capital(text string) string {
	r, n := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(r)) + text[n:]
}

// Number is a value that is written with as many digits as it has.
type Number float64

func (n Number) String() string { return strconv.FormatFloat(float64(n), 'f', -1, 64) }

// List is a value that is several, with commas between them.
type List []any

func (l List) String() string {
	out := make([]string, len(l))
	for i, x := range l {
		out[i] = fmt.Sprint(x)
	}
	return strings.Join(out, ", ")
}

// Say is the sentence of this format. Where the format is "%s", the value is the sentence.
func Say(format string, args ...any) *Words {
	if format != "%s" || len(args) != 1 {
		return &Words{format, args}
	}
	switch x := args[0].(type) {
	case error:
		return WordsOf(x)
	case string:
		return Text(x)
	}
	return &Words{format, args}
}

// Text is a sentence that has no values, or whose values are not known any more.
func Text(sentence string) *Words { return &Words{"%s", []any{Noun(sentence)}} }

// String is the sentence in English, "" for nil.
func (w *Words) String() string {
	if w == nil {
		return ""
	}
	return fmt.Sprintf(w.Format, w.Args...)
}

// Texts are sentences in English.
func Texts(list []*Words) []string {
	out := make([]string, len(list))
	for i, w := range list {
		out[i] = w.String()
	}
	return out
}

func (w *Words) Error() string { return w.String() }

// WordsOf are the words in which err explains itself: its own, or its text.
func WordsOf(err error) *Words {
	var w *Words
	if errors.As(err, &w) {
		return w
	}
	if f := Of(err); f != nil && f == err { //nolint:errorlint // what wraps a fault says more than the fault
		return f.Words()
	}
	return Text(err.Error())
}

func wordsOf(w *Words, message string) *Words {
	if w != nil && w.String() == message {
		return w
	}
	return Text(message)
}
