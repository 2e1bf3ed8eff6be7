<?php
// SimpleSAMLphp as an IdP for the time of a test: everything that differs from one
// test to the next comes from the environment.

// This version has one cipher in its source, AES-CBC, which we refuse; the library
// below it has AES-GCM. Nothing but the name is changed.
if (getenv('SIMPLESAMLPHP_CIPHER') === 'gcm') {
    spl_autoload_register(function ($class) {
        if ($class === 'SAML2\\EncryptedAssertion') {
            $source = file_get_contents('/usr/share/simplesamlphp/vendor/simplesamlphp/saml2/src/SAML2/EncryptedAssertion.php');
            eval(str_replace(['<?php', 'declare(strict_types=1);', 'AES128_CBC'], ['', '', 'AES256_GCM'], $source));
        }
    }, true, true);
}
$folder = getenv('SIMPLESAMLPHP_FOLDER') . '/';
$config = [
    'baseurlpath' => getenv('SIMPLESAMLPHP_URL') . '/',
    'certdir' => $folder,
    'loggingdir' => $folder,
    'datadir' => $folder,
    'tempdir' => $folder,
    'metadatadir' => __DIR__ . '/metadata/',
    'attributenamemapdir' => '/etc/simplesamlphp/attributemap/',
    'technicalcontact_name' => 'Nobody',
    'technicalcontact_email' => 'nobody@acme.example',
    'timezone' => 'UTC',
    'secretsalt' => getenv('SIMPLESAMLPHP_SECRET'),
    'auth.adminpassword' => getenv('SIMPLESAMLPHP_SECRET'),
    'admin.checkforupdates' => false,
    'trusted.url.domains' => [],
    'showerrors' => true,
    'errorreporting' => false,
    'logging.handler' => 'errorlog',
    'logging.level' => SimpleSAML\Logger::WARNING,
    'enable.saml20-idp' => true,
    'module.enable' => ['exampleauth' => true, 'core' => true, 'saml' => true],
    'session.cookie.name' => 'SimpleSAMLSessionID',
    'session.cookie.secure' => false,
    'session.cookie.samesite' => null,
    'session.phpsession.cookiename' => 'SimpleSAML',
    'session.phpsession.savepath' => $folder,
    'language.cookie.secure' => false,
    'language.cookie.samesite' => null,
    'store.type' => 'phpsession',
    'metadata.sources' => [['type' => 'flatfile']],
    'metadata.sign.enable' => false,
];
