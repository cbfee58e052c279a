package model

import (
	"slices"
	"time"

	"waybill/db/fault"
)

// Feature is a part of Waybill that an installation may do without.
type Feature string

// The features, and what of the product each is.
const (
	FeatureS3Analytics Feature = "s3_analytics"
	FeatureS3Uploads   Feature = "s3_uploads"
	FeatureSalesforce  Feature = "salesforce_mc"
	FeatureMarketo     Feature = "marketo"
	FeatureSlack       Feature = "slack"
	FeatureTeams       Feature = "teams"
)

// AllFeatures in the order in which people see them.
func AllFeatures() []Feature {
	return []Feature{FeatureS3Analytics, FeatureS3Uploads, FeatureSalesforce, FeatureMarketo, FeatureSlack, FeatureTeams}
}

// Title is what people call it.
func (f Feature) Title() string {
	switch f {
	case FeatureS3Analytics:
		return "Amazon S3 analytics"
	case FeatureS3Uploads:
		return "Amazon S3 uploads"
	case FeatureSalesforce:
		return "Salesforce Marketing Cloud"
	case FeatureMarketo:
		return "Marketo"
	case FeatureSlack:
		return "Slack"
	case FeatureTeams:
		return "Microsoft Teams"
	}
	return string(f)
}

// About says in a sentence what it is.
func (f Feature) About() string {
	switch f {
	case FeatureS3Analytics:
		return "Events and deliveries written to a bucket, an hour at a time."
	case FeatureS3Uploads:
		return "A bucket as the store for files that people upload in forms."
	case FeatureSalesforce, FeatureMarketo, FeatureSlack, FeatureTeams:
		return "Connections of this type, and what is sent to them."
	}
	return ""
}

// OffWords is what somebody hears who wants to use it while it is off.
func (f Feature) OffWords() *fault.Words {
	return fault.Say("%s is switched off in this Waybill. An administrator can switch it on under Settings, Features.", fault.Noun(f.Title()))
}

// FeatureOf is the feature that connections of a type belong to, "" = they always can be used.
func FeatureOf(t ConnectionType) Feature {
	if f := Feature(t); slices.Contains(AllFeatures(), f) {
		return f
	}
	return ""
}

// Features says which are switched off; all are on at first.
type Features struct {
	Off     []Feature
	Changed time.Time // zero = never
	Version int64
}

// Has reports whether a feature is on. Features that have no switch are.
func (x Features) Has(f Feature) bool { return !slices.Contains(x.Off, f) }
