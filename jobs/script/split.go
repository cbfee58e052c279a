package script

// Piece is a part of a text with tags.
type Piece struct {
	Kind PieceKind
	Text string // of a tag its code
}

// PieceKind says what a Piece is.
type PieceKind int

const (
	PieceText  PieceKind = iota
	PieceExpr            // {{ expr }}
	PieceRaw             // {{= expr }}
	PieceOther           // statements, or a part of a block
)

// Split cuts a text at its tags; nothing is run. The error is a *Problem.
func Split(source string) ([]Piece, error) {
	nodes, bad := scan(source, Text, &facts{names: map[string]bool{}})
	if bad != nil {
		line, column := position(source, bad.at)
		return nil, &Problem{Line: line, Column: column, Message: bad.text}
	}
	var out []Piece
	for _, n := range nodes {
		switch n.kind {
		case nodeText:
			out = append(out, Piece{PieceText, source[n.start:n.end]})
		case nodeExpr:
			out = append(out, Piece{PieceExpr, source[n.codeStart:n.codeEnd]})
		case nodeRaw:
			out = append(out, Piece{PieceRaw, source[n.codeStart:n.codeEnd]})
		default:
			out = append(out, Piece{PieceOther, source[n.codeStart:n.codeEnd]})
		}
	}
	return out, nil
}
