<?php
$groups = 'http://schemas.microsoft.com/ws/2008/06/identity/claims/groups';
$oid = 'http://schemas.microsoft.com/identity/claims/objectidentifier';
$password = getenv('SIMPLESAMLPHP_PASSWORD');
$config = [
    'people' => [
        'exampleauth:UserPass',
        'alice:' . $password => [
            'uid' => ['00u1alice'], 'email' => ['alice@acme.com'], $oid => ['aaaaaaaa-0000-4000-8000-00000000000a'],
            'groups' => ['notes-editors'], $groups => ['11111111-0000-4000-8000-000000000001', '11111111-0000-4000-8000-000000000002'],
        ],
        'bob:' . $password => [
            'uid' => ['00u2bob'], 'email' => ['bob@acme.com'], $oid => ['bbbbbbbb-0000-4000-8000-00000000000b'],
            'groups' => ['notes-readers'], $groups => ['11111111-0000-4000-8000-000000000002'],
        ],
        // Somebody of more than 150 groups, as Microsoft Entra speaks of him.
        'dave:' . $password => [
            'uid' => ['00u4dave'], 'email' => ['dave@acme.com'], $oid => ['dddddddd-0000-4000-8000-00000000000d'],
            'http://schemas.microsoft.com/claims/groups.link' => ['https://graph.windows.net/tenant/users/dave/getMemberObjects'],
        ],
    ],
];
