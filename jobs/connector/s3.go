package connector

import (
	"bytes"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/s3"
)

// bucketObjects is the heading of the fields that say how objects are written.
const bucketObjects = "Objects"

// bucket is a bucket in a store that speaks S3. Nothing is sent to it event by event: the hourly export and the files of
// forms are written to it.
func bucket() Type {
	return Type{
		Type: model.ConnectionS3, Title: "Amazon S3", NeedsCredential: true,
		Summary: "Keeps the hourly export and the files of forms in a bucket, at Amazon or any store that speaks S3.",
		Hue:     "green",
		Glyph:   "M5 6c0-1.7 3.1-3 7-3s7 1.3 7 3-3.1 3-7 3-7-1.3-7-3Zm0 0 1.6 12.2C6.8 19.8 9.2 21 12 21s5.2-1.2 5.4-2.8L19 6M8 13c2.500 1.300 5.500 1.300 8 0",
		Docs: "The credential is of type AWS Signature V4, for the service s3. At Amazon, the endpoint follows from the region; for MinIO, Ceph, R2 and others give its address. " +
			"The key needs s3:PutObject, s3:GetObject, s3:DeleteObject and s3:AbortMultipartUpload on the bucket's objects. “Test” writes a small object, reads it and removes it.",
		Credentials: func(model.Config) []model.CredentialType { return []model.CredentialType{"aws_sigv4"} },
		Form: Form{Name: "Acme archive", Where: "Bucket", WhereHelp: "Which one, and at which store it is.", URL: "Endpoint",
			URLHelp: "Leave it empty at Amazon: it follows from the region. For MinIO, Ceph, Cloudflare R2 and others: the address of their S3 interface, without the bucket.",
			Groups:  map[string]string{bucketObjects: "What is written there, and how."}},
		Preset:         map[string]string{"service": "s3"},
		NoDestinations: "A bucket has no destinations: the hourly export and the files of forms are written to it. Choose it in the settings, under Export and under Files.",
		BaseURL: func(settings model.Config) string {
			if region := settings.Text(s3.SettingRegion); region != "" {
				return "https://s3." + region + ".amazonaws.com"
			}
			return ""
		},
		Fields: []model.Field{
			{Name: s3.SettingBucket, Label: "Bucket", Kind: model.FieldText, Required: true, Max: 63, Placeholder: "acme-waybill", Help: "Its name alone, without s3://. It must exist; Waybill makes none."},
			{Name: s3.SettingRegion, Label: "Region", Kind: model.FieldText, Max: 60, Placeholder: "eu-central-1", Help: "Where the bucket is, such as eu-central-1. Other stores often want us-east-1 or auto. Empty: that of the credential."},
			{Name: s3.SettingPathStyle, Label: "Path style: the bucket stands in the path", Kind: model.FieldCheck, More: true, Help: "https://host/bucket/key. Stores other than Amazon are spoken to in this way anyhow; at Amazon it is for bucket names with dots."},
			{Name: s3.SettingVirtualHost, Label: "Virtual host style: the bucket stands in the host name", Kind: model.FieldCheck, More: true, Help: "https://bucket.host/key, also at stores other than Amazon."},
			{Name: s3.SettingPrefix, Label: "Prefix", Group: bucketObjects, Kind: model.FieldText, Max: 200, Placeholder: "waybill/", Help: "Stands before the key of every object, so that the bucket can hold other things too. Empty: none."},
			{Name: s3.SettingEncryption, Label: "Encryption", Group: bucketObjects, Kind: model.FieldSelect, Default: "bucket", Options: []model.Option{{Value: "bucket", Label: "As the bucket is set"}, {Value: s3.EncryptionS3, Label: "SSE-S3: keys of the store"}, {Value: s3.EncryptionKMS, Label: "SSE-KMS: a key of yours"}},
				Help: "Asked for with every object that is written."},
			{Name: s3.SettingKMSKey, Label: "KMS key", Group: bucketObjects, Kind: model.FieldText, Max: 2048, Placeholder: "arn:aws:kms:…", When: []string{s3.EncryptionKMS}, Help: "Its ARN or id. Empty: the account's own key for S3."},
		},
		checkConnection: func(c model.Connection, bad *fault.Check) {
			if w := s3.CheckBucket(c.Settings.Text(s3.SettingBucket)); w != "" && c.Settings.Text(s3.SettingBucket) != "" {
				bad.Add("settings."+s3.SettingBucket, "%s", w)
			}
			if w := s3.CheckKey(c.Settings.Text(s3.SettingPrefix)); w != "" {
				bad.Add("settings."+s3.SettingPrefix, "%s", w)
			}
			path, _ := c.Settings[s3.SettingPathStyle].(bool)
			if host, _ := c.Settings[s3.SettingVirtualHost].(bool); host && path {
				bad.Add("settings."+s3.SettingVirtualHost, "It stands either in the path or in the host name.")
			}
		},
		probes: tryBucket,
		Guide: []Section{
			{Title: "The key", Text: []string{"Make a user that may do nothing else, and give it this policy. Store its access key as a credential of type AWS Signature V4 with the service s3."},
				Code: "{\"Version\": \"2012-10-17\", \"Statement\": [{\n  \"Effect\": \"Allow\",\n  \"Action\": [\"s3:PutObject\", \"s3:GetObject\", \"s3:DeleteObject\", \"s3:AbortMultipartUpload\"],\n  \"Resource\": \"arn:aws:s3:::acme-waybill/*\"\n}]}"},
			{Title: "Other stores", Text: []string{"MinIO, Ceph, Cloudflare R2, Backblaze B2, Wasabi and others speak S3. Give the address of the endpoint as base URL, and as region what the store asks for (often us-east-1 or auto).",
				"An endpoint in a private network or without HTTPS has to be allowed first: in the settings under Network, or by whoever runs this server, in WAYBILL_ALLOW_HOSTS."}},
			{Title: "The hourly export", Text: []string{"Every hour that has ended (UTC) becomes one object for each kind of record, compressed with gzip, and a manifest that is written last: once it is there, the hour is complete. " +
				"Events belong to the hour in which they were accepted, deliveries and their attempts to the one in which they were settled.",
				"Keys follow from the hour alone. An hour that is written again, after a failure or because somebody asked for it, takes the place of the former objects; nothing is there twice."},
				Code: model.DefaultPattern},
			{Title: "Files of forms", Text: []string{"Files are named by the SHA-256 of their bytes. Downloads get a link that ends after five minutes; people's rights are checked before they get it. If browsers cannot reach the store, let downloads go through Waybill."}},
		},
	}
}

// tryBucket writes an object, reads it back and removes it.
func tryBucket(c model.Connection, _ time.Time) []Probe {
	write, read, remove, body, err := s3.Trials(c)
	if err != nil { // what is stored was checked
		return nil
	}
	judge := func(may string, want []byte) func(Answer) Verdict {
		return func(a Answer) Verdict {
			if e := s3.Explain(c, a.Exchange, may); e != nil {
				return Verdict{Retry: e.Retry, RetryAfter: e.After, Class: model.ClassStatus, Words: e.Message}
			}
			if want != nil && !bytes.Equal(want, a.Exchange.Body) {
				return Verdict{Class: model.ClassStatus, Words: "What came back is not what was written."}
			}
			return Verdict{Success: true}
		}
	}
	return []Probe{{"Write an object", write, judge("s3:PutObject", nil)}, {"Read it back", read, judge("s3:GetObject", body)}, {"Remove it", remove, judge("s3:DeleteObject", nil)}}
}
