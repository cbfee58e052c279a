package db

import (
	"waybill/db/fault"
	"waybill/db/model"
)

// apiKeySetting is the setting of a credential of type platform_api_key that names the key.
const apiKeySetting = "api_key_id"

// mayPickKey complains unless c's API key, when it is not the one of old, exists, is live, and may be picked by the
// actor: he may view API keys and holds every right of the key's user.
func (tx *Tx) mayPickKey(old, c model.Credential) error {
	id := c.Config.Text(apiKeySetting)
	if c.Type != model.CredentialPlatform || (old.Type == c.Type && old.Config.Text(apiKeySetting) == id) {
		return nil
	}
	if !tx.actor.Rights.Has(model.APIKeys.View()) {
		return fault.Missing(string(model.APIKeys.View()))
	}
	k, u, err := keyOwner(tx, model.APIKeyID(id))
	if fault.Is(err, fault.NotFound) {
		return complain(apiKeySetting, "There is no such API key.")
	}
	if err != nil {
		return err
	}
	if !k.Live(tx.now) || u.Disabled {
		return complain(apiKeySetting, "This API key no longer opens anything; pick another one.")
	}
	return tx.mayGive(full(u))
}

// mayAct is the Forbidden fault when c stands for somebody with rights that the actor does not hold: who decides what is
// sent with it acts as that person.
func (tx *Tx) mayAct(c model.Credential) error {
	if c.Type != model.CredentialPlatform {
		return nil
	}
	_, u, err := keyOwner(tx, model.APIKeyID(c.Config.Text(apiKeySetting)))
	if fault.Is(err, fault.NotFound) {
		return nil // it opens nothing
	}
	if err != nil {
		return err
	}
	return tx.mayGive(full(u))
}

const credentialOfConnection = `SELECT ` + credentialColumns + ` FROM credentials WHERE id = (SELECT credential_id FROM connections WHERE id = $1)`

// mayActBy is mayAct for the credential of a connection.
func (tx *Tx) mayActBy(id model.ConnectionID) error {
	list, err := all(tx, scanCredential, credentialOfConnection, id)
	if err != nil || len(list) == 0 {
		return err
	}
	return tx.mayAct(list[0])
}
