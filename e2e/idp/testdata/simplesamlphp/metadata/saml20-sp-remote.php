<?php
$self = getenv('CHANCERY_SELF');
$certificate = getenv('CHANCERY_CERTIFICATE');
$service = [
    'AssertionConsumerService' => $self . '/acs',
    'SingleLogoutService' => $self . '/slo',
    'keys' => [[
        'type' => 'X509Certificate', 'signing' => true, 'encryption' => true, 'X509Certificate' => $certificate,
    ]],
    // Our requests must be signed.
    'validate.authnrequest' => true,
    'validate.logout' => true,
    'signature.algorithm' => getenv('SIMPLESAMLPHP_ALGORITHM') ?: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    'saml20.sign.assertion' => true,
    'NameIDFormat' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    'authproc' => [
        10 => ['class' => 'saml:AttributeNameID', 'attribute' => 'uid', 'Format' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent'],
    ],
];
if (getenv('SIMPLESAMLPHP_CIPHER')) {
    $service['assertion.encryption'] = true;
}
$metadata[$self . '/metadata'] = $service;

// What a Chancery says of itself, as it says it; a client of its token endpoint is another service.
$described = getenv('SIMPLESAMLPHP_FOLDER') . '/sp.xml';
if (is_file($described)) {
    $parsed = SimpleSAML\Metadata\SAMLParser::parseString(file_get_contents($described))->getMetadata20SP();
    unset($service['AssertionConsumerService'], $service['SingleLogoutService'], $service['keys']);
    $metadata[$parsed['entityid']] = array_merge($parsed, $service);
    $issuer = getenv('CHANCERY_ISSUER');
    $metadata[$issuer] = ['AssertionConsumerService' => $issuer . '/token', 'assertion.encryption' => false] + $service;
}
