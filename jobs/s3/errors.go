package s3

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/egress"
)

// Error is why a request to a store failed, in words for people.
type Error struct {
	Code    string        // as the store names it, "" when it did not answer so
	Status  int           // 0 = no answer
	Message string        // what is wrong and what to change, without secrets
	Region  string        // where the bucket is, when the store said so
	Retry   bool          // another try may go well without anybody changing something
	After   time.Duration // not before then; 0 = not said
	Class   model.ErrorClass
	Cause   error
}

func (e *Error) Error() string { return e.Message }
func (e *Error) Unwrap() error { return e.Cause }

// failed is a request that brought no answer.
func (b *Bucket) failed(err error) *Error {
	var e *egress.Error
	if !errors.As(err, &e) {
		return &Error{Message: err.Error(), Cause: err}
	}
	retry := e.Class != model.ClassRefused && e.Class != model.ClassAuth && e.Class != model.ClassTLS
	return &Error{Message: e.Message, Class: e.Class, Retry: retry, Cause: err}
}

// told is what a store says of an error (Amazon S3 API reference, "Error responses").
type told struct {
	XMLName    xml.Name `xml:"Error"`
	Code       string   `xml:"Code"`
	Message    string   `xml:"Message"`
	Region     string   `xml:"Region"`
	Endpoint   string   `xml:"Endpoint"`
	ServerTime string   `xml:"ServerTime"`
}

const longestWords = 300

// refused explains an answer that is no success.
func (b *Bucket) refused(x egress.Exchange, c call) *Error {
	var t told
	e := &Error{Status: x.Status, Class: model.ClassStatus}
	if err := xml.Unmarshal(bytes.TrimSpace(x.Body), &t); err != nil || t.Code == "" {
		t.Code = byStatus(x, c)
	}
	e.Code, e.Region = t.Code, cmp.Or(x.Header.Get("X-Amz-Bucket-Region"), t.Region)
	e.Retry = x.Status >= 500 || x.Status == http.StatusTooManyRequests || x.Status == http.StatusRequestTimeout
	e.After = retryAfter(x.Header)
	b.explain(e, t, x, c)
	if e.Message == "" {
		e.Message = fmt.Sprintf("The store refused it: %s (status %d%s).", cmp.Or(brief(t.Message), "without saying why"), x.Status, codeWords(t.Code))
	}
	if e.Code == "NoSuchKey" {
		e.Cause = fault.Absent("object")
	}
	return e
}

// byStatus is what an answer without words means, such as those to HEAD.
func byStatus(x egress.Exchange, c call) string {
	switch x.Status {
	case http.StatusNotFound:
		if c.key != "" {
			return "NoSuchKey"
		}
		return "NoSuchBucket"
	case http.StatusForbidden:
		return "AccessDenied"
	case http.StatusMovedPermanently, http.StatusTemporaryRedirect:
		return "PermanentRedirect"
	case http.StatusServiceUnavailable:
		return "ServiceUnavailable"
	case http.StatusTooManyRequests:
		return "SlowDown"
	}
	return ""
}

func (b *Bucket) explain(e *Error, t told, x egress.Exchange, c call) {
	id := cmp.Or(b.key.Config.Text("access_key_id"), "of the credential")
	switch t.Code {
	case "AuthorizationHeaderMalformed", "AuthorizationQueryParametersError", "PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException", "Redirect":
		e.Retry, e.Message = false, b.wrongRegion(e.Region, t)
	case "InvalidAccessKeyId":
		e.Message = fmt.Sprintf("%s knows no access key %s. Was it removed, or does it belong to another store?", b.endpoint.Host, id)
	case "SignatureDoesNotMatch":
		e.Message = fmt.Sprintf("The signature does not match: the secret access key is not the one of %s. Type it into the credential anew.", id)
	case "InvalidToken", "ExpiredToken", "TokenRefreshRequired":
		e.Message = "The session token of the credential has ended or is not valid. Temporary keys end within hours; store a fresh one, or a key that stays."
	case "AccessDenied", "AllAccessDisabled", "AccountProblem":
		e.Message = fmt.Sprintf("The access key %s may not do this with %s: it needs the permission %s.", id, b.where(), cmp.Or(c.may, "for it"))
		if said := brief(t.Message); said != "" && !strings.HasPrefix(said, "Access Denied") {
			e.Message += " The store says: " + said
		}
	case "NoSuchBucket":
		e.Message = fmt.Sprintf("There is no bucket %s. Make it there, or correct its name in the connection.", b.where())
	case "InvalidBucketName":
		e.Message = fmt.Sprintf("%s takes no bucket named “%s”.", b.endpoint.Host, b.name)
	case "NoSuchKey":
		e.Message = fmt.Sprintf("There is no object %s in %s.", c.key, b.where())
	case "NoSuchUpload":
		e.Message = "The store has forgotten the parts that were sent; the object has to be sent from its beginning."
	case "RequestTimeTooSkewed":
		e.Message = b.skewed(t, x)
	case "SlowDown", "ServiceUnavailable", "RequestLimitExceeded", "TooManyRequests", "Throttling", "ThrottlingException", "SlowDownRead", "SlowDownWrite":
		e.Retry, e.Message = true, fmt.Sprintf("%s asks to go slower (%s).", b.endpoint.Host, t.Code)
	case "InternalError", "RequestTimeout", "OperationAborted":
		e.Retry, e.Message = true, fmt.Sprintf("%s could not do it just now (%s, status %d).", b.endpoint.Host, t.Code, x.Status)
	case "BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "IncompleteBody", "InvalidDigest":
		e.Retry, e.Message = true, "What arrived at the store is not what was sent ("+t.Code+"); it kept nothing."
	case "KMS.DisabledException", "KMS.NotFoundException", "KMS.KMSInvalidStateException", "KMS.InvalidKeyUsageException":
		e.Message = fmt.Sprintf("The KMS key of the connection cannot be used (%s): %s", t.Code, brief(t.Message))
	case "InvalidRequest", "NotImplemented", "MethodNotAllowed":
		e.Message = fmt.Sprintf("The store does not take this request: %s (%s).", cmp.Or(brief(t.Message), "no reason given"), t.Code)
	case "":
		if x.Status/100 != 5 {
			e.Message = fmt.Sprintf("What answers at %s does not speak S3 (status %d). Is the endpoint right?", b.endpoint.Host, x.Status)
		}
	}
}

func (b *Bucket) wrongRegion(region string, t told) string {
	switch {
	case region != "" && region != b.region:
		return fmt.Sprintf("The bucket “%s” is in the region %s, and requests are signed for %s. Set the region of the connection to %s, and let the endpoint be the one of that region.", b.name, region, cmp.Or(b.region, "another one"), region)
	case t.Endpoint != "":
		return fmt.Sprintf("The bucket “%s” is served at %s, not at %s. Set the endpoint of the connection to that one.", b.name, brief(t.Endpoint), b.endpoint.Host)
	case t.Code == "AuthorizationHeaderMalformed" || t.Code == "AuthorizationQueryParametersError":
		return fmt.Sprintf("The store does not take the signature as it is made for the region %s: %s", b.region, cmp.Or(brief(t.Message), "no reason given"))
	}
	return fmt.Sprintf("The bucket “%s” is in another region than %s. Set the region and the endpoint of the connection to its own.", b.name, cmp.Or(b.region, "that of the credential"))
}

// skewed compares our clock with the store's.
func (b *Bucket) skewed(t told, x egress.Exchange) string {
	theirs, err := time.Parse(time.RFC3339, t.ServerTime)
	if err != nil {
		theirs, err = http.ParseTime(x.Header.Get("Date"))
	}
	if err != nil {
		return "The clock of this server differs from the store's by more than 15 minutes, so signatures do not hold. Set the clock (NTP)."
	}
	off, way := b.now().Sub(theirs).Round(time.Minute), "fast"
	if off < 0 {
		off, way = -off, "slow"
	}
	return fmt.Sprintf("The clock of this server is about %d minutes %s beside that of the store (%s there), so signatures do not hold. Set the clock (NTP).", int(off.Minutes()), way, theirs.UTC().Format("15:04 UTC"))
}

func codeWords(code string) string {
	if code == "" {
		return ""
	}
	return ", " + brief(code)
}

// brief is a text of the other side on one line, cut.
func brief(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > longestWords {
		s = string(r[:longestWords]) + "…"
	}
	return s
}

func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 0 || n > 3600 {
		return 0
	}
	return time.Duration(n) * time.Second
}
