package ui

// SideRow is one line of two texts beside each other; a side that has no such line is not there.
type SideRow struct {
	Old, New       string
	HasOld, HasNew bool
}

// Same reports whether both texts have the line.
func (r SideRow) Same() bool { return r.HasOld && r.HasNew && r.Old == r.New }

// SideRows pairs the lines of a comparison: what went with what came in its place.
func SideRows(lines []DiffLine) []SideRow {
	var out []SideRow
	for i := 0; i < len(lines); {
		if lines[i].Kind == ' ' {
			out = append(out, SideRow{lines[i].Text, lines[i].Text, true, true})
			i++
			continue
		}
		var old, made []string
		for ; i < len(lines) && lines[i].Kind != ' '; i++ {
			if lines[i].Kind == '-' {
				old = append(old, lines[i].Text)
			} else {
				made = append(made, lines[i].Text)
			}
		}
		for n := range max(len(old), len(made)) {
			var r SideRow
			if n < len(old) {
				r.Old, r.HasOld = old[n], true
			}
			if n < len(made) {
				r.New, r.HasNew = made[n], true
			}
			out = append(out, r)
		}
	}
	return out
}
