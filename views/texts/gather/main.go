// Command gather reads the sources and writes views/texts/catalogue.pot anew: every text that the pages look up, by its
// id, with the files that use it. Then it brings the file of each language in step: new texts are added without a
// translation, and those that nothing uses any more are dropped. It is run by `go generate ./views/texts`.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"waybill/views/texts"
)

func main() {
	root, err := filepath.Abs("../..")
	if err == nil {
		err = write(root)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gather:", err)
		os.Exit(1)
	}
}

// write brings all files in step with the sources below root.
func write(root string) error {
	files, err := made(root)
	if err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// made are the files as they should be, by their path.
func made(root string) (map[string]string, error) {
	g, err := gather(root)
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(root, "views", "texts")
	head := texts.Entry{Texts: []string{"Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\nLanguage: en\n"}}
	out := map[string]string{filepath.Join(folder, "catalogue.pot"): texts.Write(g.entries(head, nil))}
	languages, err := filepath.Glob(filepath.Join(folder, "*.po"))
	if err != nil {
		return nil, err
	}
	for _, name := range languages {
		old, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		said := map[string]texts.Entry{}
		for _, e := range texts.Parse(string(old)) {
			said[e.ID] = e
		}
		out[name] = texts.Write(g.entries(said[""], said))
	}
	return out, nil
}
