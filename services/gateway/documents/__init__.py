"""The two documents of the API, made from the manifests of whatever services there are."""
