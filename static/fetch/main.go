// Command fetch fills static/dist from the npm packages that package-lock.json
// pins: it installs them without running their scripts and copies what browsers
// need, with the licences. With -dev it installs the test tools too.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
)

var files = map[string]string{
	"htmx.js":     "htmx.org/dist/htmx.min.js",
	"inter.woff2": "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
	"mono.woff2":  "@fontsource/jetbrains-mono/files/jetbrains-mono-latin-400-normal.woff2",
}

var licences = []string{"htmx.org", "@fontsource-variable/inter", "@fontsource/jetbrains-mono"}

func main() {
	log.SetFlags(0)
	dev := flag.Bool("dev", false, "install the test tools too")
	flag.Parse()
	if err := fetch(*dev); err != nil {
		log.Fatalf("fetching assets: %v", err)
	}
}

// fetch works from the root of the module and from its own folder above, where go generate stands.
func fetch(dev bool) error {
	if _, err := os.Stat("static/package.json"); err == nil {
		if err := os.Chdir("static"); err != nil {
			return err
		}
	}
	args := []string{"ci", "--ignore-scripts", "--no-audit", "--no-fund"}
	if !dev {
		args = append(args, "--omit=dev")
	}
	npm := exec.Command("npm", args...)
	npm.Stdout, npm.Stderr = os.Stderr, os.Stderr
	if err := npm.Run(); err != nil {
		return fmt.Errorf("npm ci (is npm installed?): %w", err)
	}
	return copyAll()
}

func copyAll() error {
	for to, from := range files {
		body, err := os.ReadFile(filepath.Join("node_modules", from))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join("dist", to), body, 0o644); err != nil {
			return err
		}
	}
	var all bytes.Buffer
	for _, name := range licences {
		text, err := os.ReadFile(filepath.Join("node_modules", name, "LICENSE"))
		if err != nil {
			return err
		}
		fmt.Fprintf(&all, "%s\n\n%s\n\n", name, text)
	}
	return os.WriteFile("dist/LICENSES.txt", all.Bytes(), 0o644)
}
