package ui

import (
	"strconv"

	"github.com/a-h/templ"
)

// PaginationProps lead on from one page of a keyset list. Empty URLs draw nothing.
type PaginationProps struct {
	Next, First string
	Shown       string // "50 deliveries"
}

// Step is one page of a sequence.
type Step struct {
	Label, URL    string
	Done, Current bool
}

func buttonAttrs(p ButtonProps) templ.Attributes {
	a := templ.Attributes{}
	for k, v := range p.Attrs {
		a[k] = v
	}
	for k, v := range map[string]string{"name": p.Name, "value": p.Value, "formaction": p.FormAction, "form": p.Form} {
		if v != "" {
			a[k] = v
		}
	}
	return a
}

func named(name, value string) templ.Attributes {
	if value == "" {
		return nil
	}
	return templ.Attributes{"name": name, "value": value}
}

func current(is bool) templ.Attributes {
	if !is {
		return nil
	}
	return templ.Attributes{"aria-current": "page"}
}

func stepCurrent(is bool) templ.Attributes {
	if !is {
		return nil
	}
	return templ.Attributes{"aria-current": "step"}
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func kindIcon(kind string) string {
	if _, path, ok := drawn(kind); ok {
		return path
	}
	switch kind {
	case "basic":
		return "user"
	case "bearer":
		return "key"
	case "header":
		return "code"
	case "oauth2":
		return "clock"
	case "aws_sigv4":
		return "edit"
	case "secret_url":
		return "link"
	case "client_certificate":
		return "shield"
	case "platform_api_key":
		return "bolt"
	case "client_secret":
		return "lock"
	}
	return kind
}

func itoa(n int) string { return strconv.Itoa(n) }

func idAttr(id string) templ.Attributes {
	if id == "" {
		return nil
	}
	return templ.Attributes{"id": id}
}
